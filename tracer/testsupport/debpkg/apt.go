package debpkg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// listsMaxAge is how long a suite's package lists serve before the mirror is asked again.
const listsMaxAge = 24 * time.Hour

// Suite is apt with one suite as its only source, and with lists, cache and status of its own
// below a directory. The rest of the machine's apt configuration, such as its proxies, stays
// in force.
type Suite struct {
	dir    string
	name   string
	origin origin
	unlock func()
}

// Open makes a suite's packages available, by its name, such as "bookworm". Until Close no
// other process can open the same suite.
func Open(ctx context.Context, name string) (*Suite, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find cache directory: %w", err)
	}
	origin, err := machineOrigin()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "memtrace-debian", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Suite{dir: dir, name: name, origin: origin, unlock: unlock}
	if err := s.update(ctx, listsMaxAge); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close lets other processes open the suite.
func (s *Suite) Close() { s.unlock() }

// Dir is where a suite's files are kept. What callers add stays for later runs.
func (s *Suite) Dir() string { return s.dir }

// String names the suite and the mirror that it comes from.
func (s *Suite) String() string { return fmt.Sprintf("suite %s of %s", s.name, s.origin.URI) }

// update renews the lists if they are older than maxAge. Old lists stay in use if the mirror
// does not answer.
func (s *Suite) update(ctx context.Context, maxAge time.Duration) error {
	for _, sub := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o755); err != nil {
			return err
		}
	}
	source := s.source()
	have, err := os.ReadFile(s.sourceFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	stamp := filepath.Join(s.dir, "updated")
	if string(have) != source {
		if err := os.Remove(stamp); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(s.sourceFile(), []byte(source), 0o644); err != nil {
			return err
		}
	}
	stat, err := os.Stat(stamp)
	if err == nil && time.Since(stat.ModTime()) < maxAge {
		return nil
	}
	stale := err == nil
	if _, err := s.run(ctx, "apt-get", "update", "-qq"); err != nil {
		if stale && ctx.Err() == nil {
			return nil
		}
		return fmt.Errorf("fetch package lists of %v: %w", s, err)
	}
	return os.WriteFile(stamp, nil, 0o644)
}

// Show returns the control paragraph of the suite's newest version of a package.
func (s *Suite) Show(ctx context.Context, pkg string) (string, error) {
	out, err := s.run(ctx, "apt-cache", "show", "--no-all-versions", pkg)
	if err != nil {
		return "", fmt.Errorf("look up package %s in %v: %w", pkg, s, err)
	}
	all := paragraphs([]byte(out))
	if len(all) == 0 {
		return "", fmt.Errorf("look up package %s in %v: not there", pkg, s)
	}
	return all[0], nil
}

// Download fetches a package, checks it against the lists' checksum and returns its path. The
// caller removes it.
func (s *Suite) Download(ctx context.Context, pkg string) (string, error) {
	deb, err := s.download(ctx, pkg)
	if err == nil || ctx.Err() != nil {
		return deb, err
	}
	// A suite that moves on drops the versions that lists of some hours ago name.
	if err := s.update(ctx, 0); err != nil {
		return "", err
	}
	return s.download(ctx, pkg)
}

func (s *Suite) download(ctx context.Context, pkg string) (string, error) {
	old, err := s.debs()
	if err != nil {
		return "", err
	}
	for _, name := range old { // what an interrupted run left
		if err := os.Remove(name); err != nil {
			return "", err
		}
	}
	if _, err := s.run(ctx, "apt-get", "download", "-qq", pkg); err != nil {
		return "", fmt.Errorf("download %s of %v: %w", pkg, s, err)
	}
	got, err := s.debs()
	if err != nil {
		return "", err
	}
	if len(got) != 1 {
		return "", fmt.Errorf("download %s of %v: got %d packages", pkg, s, len(got))
	}
	return got[0], nil
}

func (s *Suite) debs() ([]string, error) {
	return filepath.Glob(filepath.Join(s.dir, "*.deb"))
}

func (s *Suite) sourceFile() string { return filepath.Join(s.dir, "debian.sources") }

// source is the suite's entry for apt. Targets excludes the indexes that other packages on the
// machine ask for, such as translations and icons.
func (s *Suite) source() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nTargets: Packages\n",
		s.origin.URI, s.name)
	if s.origin.SignedBy != "" {
		// An inline key is a field of several lines, each indented as it came.
		fmt.Fprintf(&b, "Signed-By: %s\n", s.origin.SignedBy)
	}
	if s.origin.Trusted {
		b.WriteString("Trusted: yes\n")
	}
	return b.String()
}

// config is read after the machine's own files and overrides them.
func (s *Suite) config() string {
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
`, s.dir)
}

// run runs one of apt's programs on the private root.
func (s *Suite) run(ctx context.Context, program string, args ...string) (string, error) {
	conf := filepath.Join(s.dir, "apt.conf")
	if err := os.WriteFile(conf, []byte(s.config()), 0o644); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-c", conf}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// lockDir keeps other test processes out of a cache directory.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	return func() { f.Close() }, nil // closing releases the lock
}
