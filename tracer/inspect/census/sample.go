package census

// A heap of more blocks than fit into memory is looked at in part: one of 2, 4, 8 ... of its blocks is
// kept, which is told by its address, so that each look keeps the same ones. Blocks that follow one
// another are told apart as well as those far away, and so are blocks of one size: what comes and
// goes in the sample comes and goes as independently as in the heap. Large blocks are all kept: there are
// few of them, and one that stood for several would make up much memory.

// Large is from how many bytes on a block stands for itself alone.
const Large = 64 << 10

// mostShift is one of how many blocks is kept at least. Where that is not enough there are too many large ones.
const mostShift = 32

// sampled reports whether a block is in a sample of one of 1<<shift. It mixes addresses as MurmurHash3 does
// at its end (fmix64).
func sampled(addr, size uint64, shift uint) bool {
	if size >= Large {
		return true
	}
	h := addr
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h>>(64-shift) == 0
}

// thin keeps half of the blocks that are not large.
func (x *builder) thin() {
	x.seal()
	all, last := x.b, x.last
	*x = builder{shift: x.shift + 1}
	for c := all.Cursor(); ; {
		b, ok := c.Next()
		if !ok {
			break
		}
		x.add(b.Addr, b.Size)
	}
	x.last = last
}

// full is called where there are as many blocks as there may be. It makes room if blocks may be left out,
// and otherwise returns false.
func (w *walk) full() bool {
	if !w.sampling {
		return false
	}
	if w.out.shift == 0 {
		w.most = ofSample(w.most)
	}
	for w.out.b.n >= w.most {
		if w.out.shift >= mostShift {
			return false
		}
		w.out.thin()
		w.thinned = true
	}
	return true
}

// ofSample is the most blocks of a sample where so many of a whole heap fit: the sample before is still
// there, and a sample is less dense.
func ofSample(most int) int { return max(min(most/2, mostSampled), 2) }

const (
	// mostSampled is the most blocks of a sample: more say hardly more, and each is read by itself.
	mostSampled = 4 << 20
	// sparse is the shift from which on the contents of a block are read alone.
	sparse = 3
)

// settle leaves room for the heap to become twice as large, so that looks seldom have to begin anew.
func (w *walk) settle() {
	if w.thinned && w.out.b.n > w.most/2 {
		w.out.thin()
	}
}
