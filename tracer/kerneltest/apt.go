package kerneltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// listsMaxAge is how long a suite's package lists serve before the mirror is
// asked again.
const listsMaxAge = 24 * time.Hour

// aptRoot is apt with one suite as its only source and with lists, cache and
// status of its own below dir. The rest of the machine's apt configuration,
// its proxies for one, stays in force.
type aptRoot struct {
	dir    string
	suite  string
	origin origin
}

// update renews the lists where they are older than listsMaxAge. Old lists
// serve on where the mirror does not answer.
func (a aptRoot) update(ctx context.Context) error {
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, sub), 0o755); err != nil {
			return err
		}
	}
	source := a.source()
	have, err := os.ReadFile(a.sourceFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	stamp := filepath.Join(a.dir, "updated")
	if string(have) != source {
		if err := os.Remove(stamp); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(a.sourceFile(), []byte(source), 0o644); err != nil {
			return err
		}
	}
	stat, err := os.Stat(stamp)
	if err == nil && time.Since(stat.ModTime()) < listsMaxAge {
		return nil
	}
	stale := err == nil
	if _, err := a.run(ctx, "apt-get", "update", "-qq"); err != nil {
		if stale && ctx.Err() == nil {
			return nil
		}
		return fmt.Errorf("fetch package lists of suite %s from %s: %w", a.suite, a.origin.URI, err)
	}
	return os.WriteFile(stamp, nil, 0o644)
}

// show returns the control paragraph of the suite's newest version of a package.
func (a aptRoot) show(ctx context.Context, pkg string) (string, error) {
	out, err := a.run(ctx, "apt-cache", "show", "--no-all-versions", pkg)
	if err != nil {
		return "", fmt.Errorf("look up package %s: %w", pkg, err)
	}
	all := paragraphs([]byte(out))
	if len(all) == 0 {
		return "", fmt.Errorf("look up package %s: not in the suite", pkg)
	}
	return all[0], nil
}

// download fetches a package, checks it against the lists' checksum and
// returns its path.
func (a aptRoot) download(ctx context.Context, pkg string) (string, error) {
	old, err := a.debs()
	if err != nil {
		return "", err
	}
	for _, name := range old { // what an interrupted run left
		if err := os.Remove(name); err != nil {
			return "", err
		}
	}
	if _, err := a.run(ctx, "apt-get", "download", "-qq", pkg); err != nil {
		return "", fmt.Errorf("download %s of suite %s from %s: %w", pkg, a.suite, a.origin.URI, err)
	}
	got, err := a.debs()
	if err != nil {
		return "", err
	}
	if len(got) != 1 {
		return "", fmt.Errorf("download %s of suite %s: got %d packages", pkg, a.suite, len(got))
	}
	return got[0], nil
}

func (a aptRoot) debs() ([]string, error) {
	return filepath.Glob(filepath.Join(a.dir, "*.deb"))
}

func (a aptRoot) sourceFile() string { return filepath.Join(a.dir, "debian.sources") }

// source is the suite's entry for apt. Targets keeps away the indexes that
// other packages on the machine ask for, such as translations and icons.
func (a aptRoot) source() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nTargets: Packages\n",
		a.origin.URI, a.suite)
	if a.origin.SignedBy != "" {
		// An inline key is a field of several lines, each indented as it came.
		fmt.Fprintf(&b, "Signed-By: %s\n", a.origin.SignedBy)
	}
	if a.origin.Trusted {
		b.WriteString("Trusted: yes\n")
	}
	return b.String()
}

// config is read after the machine's own files and overrides them.
func (a aptRoot) config() string {
	return fmt.Sprintf(`// Hooks of the machine would act on a suite that is not its own.
#clear APT::Update;
#clear APT::Architectures;
APT::Update::Error-Mode "any";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
// The user that apt switches to could not write to a cache below a home.
APT::Sandbox::User "";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Acquire::PDiffs "false";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Dir::Etc::sourcelist "%[1]s/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "%[1]s";
Dir::State::lists "%[1]s/lists";
Dir::State::status "/dev/null";
Dir::Cache "%[1]s";
Dir::Cache::archives "%[1]s/archives";
Dir::Cache::pkgcache "%[1]s/pkgcache.bin";
Dir::Cache::srcpkgcache "";
`, a.dir)
}

// run runs one of apt's programs on the private root.
func (a aptRoot) run(ctx context.Context, program string, args ...string) (string, error) {
	conf := filepath.Join(a.dir, "apt.conf")
	if err := os.WriteFile(conf, []byte(a.config()), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-c", conf}, args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// dependency returns the first package among the Depends of a control
// paragraph that the pattern matches, and the pattern's first group.
func dependency(paragraph string, pattern *regexp.Regexp) (name, group string) {
	for clause := range strings.SplitSeq(controlField(paragraph, "Depends"), ",") {
		for alternative := range strings.SplitSeq(clause, "|") {
			fields := strings.Fields(alternative)
			if len(fields) == 0 {
				continue
			}
			name, _, _ := strings.Cut(fields[0], ":") // an architecture
			if m := pattern.FindStringSubmatch(name); m != nil {
				return name, m[1]
			}
		}
	}
	return "", ""
}
