package main

import (
	"runtime/debug"
	"strings"
)

// version is the commit that memtrace was built from, with its date. Without a commit it is
// the version of the module, or "(devel)".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision == "" {
		if info.Main.Version == "" {
			return "(devel)"
		}
		return info.Main.Version
	}
	const shown = 12 // digits, as git shows of a large repository
	text := revision[:min(len(revision), shown)]
	var more []string
	if date, _, ok := strings.Cut(settings["vcs.time"], "T"); ok {
		more = append(more, date)
	}
	if settings["vcs.modified"] == "true" {
		more = append(more, "modified")
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return text
}
