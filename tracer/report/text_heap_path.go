package report

import (
	"fmt"
	"strings"
)

// heapPath writes how the block at an address is reached.
func (p *printer) heapPath(path *HeapPath) {
	if path == nil {
		return
	}
	lead := pad(fmt.Sprintf("0x%x", path.Address), heapLabel)
	if path.Missing != "" {
		p.paragraph(span{lead + " ", bold}, escape(path.Missing), plain)
		return
	}
	p.line(span{strings.TrimRight(lead, " ") + " is reached from", bold})
	for _, s := range path.Steps {
		text := fmt.Sprintf("0x%x", s.Address)
		if s.Size > 0 {
			text += ", " + exactBytes(s.Size)
		}
		if s.Kind != "" {
			text += " " + ShortName(escape(s.Kind), heapNameColumns)
		}
		if s.Root != nil {
			text = s.Root.String()
		}
		if s.Omitted > 0 {
			p.paragraph(heapLead("", 1), counted(uint64(s.Omitted), "block")+" on the way are left out", dim)
		}
		p.paragraph(heapLead("", 1), text, plain)
	}
}
