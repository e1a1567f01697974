package serve

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The text format of Prometheus, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/

const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// family is a metric with the samples of all processes.
type family struct {
	name, kind, help string
	samples          []sample
}

// sample is one value. Labels are names and values in turn.
type sample struct {
	labels []string
	value  float64
}

// labelEscapes are what the format asks for in values of labels, helpEscapes in help.
var (
	labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// expose writes families. Those without samples are left out.
func expose(to io.Writer, families []family) error {
	w := bufio.NewWriter(to)
	for _, f := range families {
		if len(f.samples) == 0 {
			continue
		}
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, helpEscapes.Replace(f.help), f.name, f.kind)
		for _, s := range f.samples {
			fmt.Fprintf(w, "%s%s %s\n", f.name, labelsOf(s.labels), strconv.FormatFloat(s.value, 'g', -1, 64))
		}
	}
	return w.Flush()
}

// labelsOf writes names and values of labels.
func labelsOf(list []string) string {
	var parts []string
	for i := 0; i+1 < len(list); i += 2 {
		parts = append(parts, list[i]+`="`+labelEscapes.Replace(list[i+1])+`"`)
	}
	if len(parts) == 0 {
		return ""
	}
	return "{" + strings.Join(parts, ",") + "}"
}
