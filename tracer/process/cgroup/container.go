package cgroup

import (
	"fmt"
	"regexp"
	"strings"
)

// leastID is how many characters of a container's id must be given.
const leastID = 4

// containerElement is the element of a path that stands for a container: its id, between
// what the runtime puts around it. That is nothing or "docker-", "cri-containerd-", "crio-",
// "libpod-", "nerdctl-" and ".scope", or with containerd and no systemd "PARENT:cri-containerd:".
// Ids have 64 hexadecimal digits; those of tasks of Amazon's ECS 32 and a number.
var containerElement = regexp.MustCompile(`^(?:.*[-:_])?([0-9a-f]{64}|[0-9a-f]{32}-[0-9]{4,})(?:\.scope)?$`)

// containerID returns the id of the container that an element of a path stands for. Podman's
// and CRI-O's monitor of a container, conmon, has a cgroup that is named after the container,
// but is not part of it.
func containerID(element string) (string, bool) {
	found := containerElement.FindStringSubmatch(element)
	if found == nil || strings.Contains(element, "conmon") {
		return "", false
	}
	return found[1], true
}

// ByContainer returns the cgroup of a container of docker, containerd, CRI-O or podman, by its
// id or the beginning of that. The id may be given as Kubernetes has it: containerd://ID.
func ByContainer(id string) (*Cgroup, error) {
	wanted := id
	if _, rest, ok := strings.Cut(id, "://"); ok {
		wanted = rest
	}
	if len(wanted) < leastID || strings.Trim(wanted, "0123456789abcdef-") != "" {
		return nil, fmt.Errorf("container %q: give its id, or the first %d characters or more of it, not its name", id, leastID)
	}
	var found []named
	for _, n := range ancestors(containerID) {
		if strings.HasPrefix(n.name, wanted) {
			found = append(found, n)
		}
	}
	ids := distinct(found, func(n named) string { return n.name })
	switch len(ids) {
	case 0:
		return nil, notFoundError(fmt.Sprintf("no process runs in a container %q", id))
	case 1:
		return best(openAll(found)), nil
	}
	return nil, fmt.Errorf("container %q: %d containers have such an id: %s", id, len(ids), strings.Join(ids, ", "))
}
