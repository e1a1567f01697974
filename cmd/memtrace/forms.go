package main

import (
	"github.com/spf13/pflag"

	"memtrace/tracer/report"
	"memtrace/tracer/report/html"
)

func init() {
	report.AddForm(html.Form)
	report.AddDiffForm(html.DiffForm)
}

// fillForm has a form that can hold many stacks show as many as that, unless --top is given.
func (o *options) fillForm(fs *pflag.FlagSet) {
	if form, ok := report.FindForm(o.format); ok && form.Top > 0 && !fs.Changed("top") {
		o.top = form.Top
	}
}
