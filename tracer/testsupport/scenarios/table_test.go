package scenarios

import (
	"fmt"
	"io"
	"strings"
)

// writeTable writes the outcomes as a table of Markdown.
func writeTable(w io.Writer, outcomes []*outcome) {
	fmt.Fprint(w, "| scenario | truth | what the report says first | kind | account | line | |\n"+
		"|---|---|---|---|---|---|---|\n")
	for _, o := range outcomes {
		account, line := "-", "-"
		if o.account >= 0 {
			account = fmt.Sprintf("%.0f %%", o.account*100)
		}
		if o.lines > 0 {
			line = fmt.Sprint(o.lines)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n",
			cell(o.name), cell(o.truth), cell(o.answer), o.kind, account, line, cell(o.verdict()))
	}
}

// cell makes a text fit into a cell.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", `\<`).Replace(text)
}

// summary counts the outcomes.
func summary(outcomes []*outcome) string {
	ok, pending, failed := 0, 0, 0
	for _, o := range outcomes {
		switch {
		case o.failed():
			failed++
		case o.pending != "" && len(o.faults) > 0:
			pending++
		default:
			ok++
		}
	}
	return fmt.Sprintf("%d of %d scenarios are answered right, %d wrong, %d are pending", ok, len(outcomes), failed, pending)
}
