package sample

import "math/bits"

// ages counts deaths by age, in octaves. A nil ages has no deaths and must not be added to.
type ages struct {
	octaves [ageOctaves]octave
}

type octave struct {
	deaths uint64
	age    float64 // summed, ns
}

const (
	// firstOctave is where the first octave ends, as a power of two in ns: 67 ms.
	firstOctave = 26
	// ageOctaves octaves reach to 78 hours; the last one has no end.
	ageOctaves = 23
)

func octaveOf(age uint64) int {
	return min(bits.Len64(age>>firstOctave), ageOctaves-1)
}

// end returns the age at which an octave ends.
func (a *ages) end(octave int) uint64 { return 1 << (firstOctave + octave) }

func (a *ages) add(age uint64) {
	o := &a.octaves[octaveOf(age)]
	o.deaths++
	o.age += float64(age)
}

func (a *ages) take(age uint64) {
	o := &a.octaves[octaveOf(age)]
	o.deaths--
	o.age -= float64(age)
}

// absorb adds what another ages has counted.
func (a *ages) absorb(o *ages) {
	for i := range o.octaves {
		a.octaves[i].deaths += o.octaves[i].deaths
		a.octaves[i].age += o.octaves[i].age
	}
}

// within returns the end of the octave by which so many percent have died, 0 if none has.
func (a *ages) within(percent uint64) uint64 {
	if a == nil {
		return 0
	}
	var all, sum uint64
	for i := range a.octaves {
		all += a.octaves[i].deaths
	}
	if all == 0 {
		return 0
	}
	for i := range a.octaves {
		if sum += a.octaves[i].deaths; sum*100 >= all*percent {
			return a.end(i)
		}
	}
	return 0
}

// last returns the end of the last octave with deaths, 0 if there are none.
func (a *ages) last() uint64 {
	if a == nil {
		return 0
	}
	for i := ageOctaves - 1; i >= 0; i-- {
		if a.octaves[i].deaths > 0 {
			return a.end(i)
		}
	}
	return 0
}

// late returns, for the octave that the age from lies in and all later ones, the deaths, how
// long the dead lived in all beyond the start of that octave, ns, and that start.
func (a *ages) late(from uint64) (deaths uint64, lived float64, begin uint64) {
	first := octaveOf(from)
	if first > 0 {
		begin = a.end(first - 1)
	}
	if a == nil {
		return 0, 0, begin
	}
	for i := first; i < ageOctaves; i++ {
		o := &a.octaves[i]
		deaths += o.deaths
		lived += o.age - float64(o.deaths)*float64(begin)
	}
	return deaths, lived, begin
}
