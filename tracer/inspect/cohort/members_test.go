package cohort

import "testing"

// Members are the blocks that came since the first look, with the looks between which they came; alike
// are those of other holders, where the kind is known.
func TestMembers(t *testing.T) {
	s, tr := newSimulated(1), New()
	old := s.malloc(136, 7, 1)
	s.look(tr)
	first := s.now
	type block struct{ own, other, unknown, size *object }
	var came []block
	for range 8 {
		s.now = s.now.Add(1e10)
		came = append(came, block{s.malloc(136, 7, 1), s.malloc(136, 7, 2), s.malloc(136, 0, 1), s.malloc(152, 7, 1)})
		s.look(tr)
	}
	group := func(kind uint32) Growth { return Growth{Key: Key{Size: 136, Kind: kind, Holder: 1}} }
	m := tr.Members([]Growth{group(7), group(0)}, 100)
	if len(m) != 2 || m[0].Came != 8 || len(m[0].Own) != 8 || len(m[0].Alike) != 8 || len(m[1].Own) != 8 || len(m[1].Alike) != 0 {
		t.Fatalf("%+v", m)
	}
	for i, b := range m[0].Own {
		if b.Addr == old.addr || b.Addr != came[i].own.addr || m[0].Alike[i].Addr != came[i].other.addr {
			t.Errorf("block %d is %#x", i, b.Addr)
		}
		if from := first.Add(1e10); i == 1 && !b.From.Equal(from) || b.To.Sub(b.From) != 1e10 {
			t.Errorf("block %d came from %v to %v", i, b.From, b.To)
		}
	}
	if few := tr.Members([]Growth{group(7)}, 3)[0]; few.Came != 8 || len(few.Own) != 3 || few.Own[0].Addr >= few.Own[1].Addr {
		t.Errorf("of at most three: %+v", few)
	}
	// Blocks whose contents change are told by their place.
	for _, b := range came {
		b.own.hash++
	}
	s.now = s.now.Add(1e10)
	s.look(tr)
	placed := group(7)
	placed.ByPlace = true
	if m := tr.Members([]Growth{group(7)}, 100)[0].Own; len(m) != 8 || !m[0].To.Equal(s.now) {
		t.Errorf("by content %+v", m)
	}
	if m := tr.Members([]Growth{placed}, 100)[0].Own; len(m) != 8 || !m[0].From.Equal(first) {
		t.Errorf("by place %+v", m)
	}
}
