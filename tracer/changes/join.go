package changes

import (
	"path"
	"strconv"
	"strings"

	"memtrace/tracer/report"
)

// joined is a stack on both sides.
type joined struct {
	stack    *stack // the one to show
	from, to amounts
}

// amounts are sums over the stacks of one side.
type amounts struct {
	stacks        int
	bytes, blocks report.Bounds
}

func (a *amounts) add(bytes, blocks report.Bounds) {
	a.stacks++
	a.bytes = plus(a.bytes, bytes)
	a.blocks = plus(a.blocks, blocks)
}

func plus(a, b report.Bounds) report.Bounds {
	return report.Bounds{Value: a.Value + b.Value, Low: a.Low + b.Low, High: a.High + b.High}
}

// join puts together what is the same on both sides. amount says what a stack of a side counts for.
func join(from, to *Side, amount func(*Side, *stack) (bytes, blocks report.Bounds)) []*joined {
	k := keys{same: sameBuilds(from, to), places: from.Kind == to.Kind}
	byKey := make(map[string]*joined)
	var all []*joined
	for _, side := range []*Side{to, from} { // names of the later side are shown
		for i := range side.stacks {
			s := &side.stacks[i]
			key := k.of(side, s)
			j := byKey[key]
			if j == nil {
				j = &joined{stack: s}
				byKey[key] = j
				all = append(all, j)
			}
			bytes, blocks := amount(side, s)
			if side == to {
				j.to.add(bytes, blocks)
			} else {
				j.from.add(bytes, blocks)
			}
		}
	}
	return all
}

// sameBuilds are the build IDs that both sides have.
func sameBuilds(from, to *Side) map[string]bool {
	of := make(map[string]bool)
	for _, id := range from.builds {
		of[id] = true
	}
	same := make(map[string]bool)
	for _, id := range to.builds {
		if id != "" && of[id] {
			same[id] = true
		}
	}
	return same
}

// keys tells stacks apart.
type keys struct {
	// same are the build IDs of both sides. With places, places in such a file mean the same.
	same   map[string]bool
	places bool
}

func (k *keys) of(side *Side, s *stack) string {
	var b strings.Builder
	for i := range s.frames {
		k.frame(&b, side, &s.frames[i])
		b.WriteByte('\n')
	}
	if s.truncated {
		b.WriteString("...")
	}
	return b.String()
}

func (k *keys) frame(b *strings.Builder, side *Side, f *report.Frame) {
	id := side.builds[f.Module]
	same := k.same[id]
	switch {
	case same && f.Function != "":
		b.WriteString(id + " " + f.Function + " " + path.Base(f.File) + ":" + strconv.Itoa(f.Line))
	case same && k.places:
		b.WriteString(id + "+" + strconv.FormatUint(f.Offset, 16))
	case f.Function != "":
		b.WriteString(f.Function)
	default:
		b.WriteString("in " + path.Base(f.Module))
	}
}
