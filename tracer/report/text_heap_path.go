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
	for i := range path.Steps {
		s := &path.Steps[i]
		if s.Omitted > 0 {
			p.paragraph(heapLead("", 1), counted(uint64(s.Omitted), "block")+" on the way are left out", dim)
		}
		p.paragraph(heapLead("", 1), s.String(), plain)
	}
}

func (s *HeapStep) String() string {
	if s.Root != nil {
		return s.Root.String()
	}
	text := fmt.Sprintf("0x%x", s.Address)
	if s.Size > 0 {
		text += ", " + exactBytes(s.Size)
	}
	if s.Kind != "" {
		text += " " + ShortName(escape(s.Kind), heapNameColumns)
	}
	return text
}
