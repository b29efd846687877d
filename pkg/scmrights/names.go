package scmrights

// nameSet finds a name that is in an offer twice. The zero value is empty.
type nameSet struct {
	places [2 * 256]uint8 // where items are, plus one; 0 is free
}

// add adds the name of item i, false when an item before has it. There are at
// most MaxSlots items, so that half of the places stay free.
func (s *nameSet) add(items []Item, i int) bool {
	name := items[i].Name
	at := uint32(2166136261) // FNV-1a
	for j := range len(name) {
		at = (at ^ uint32(name[j])) * 16777619
	}
	for ; ; at++ {
		place := &s.places[at%uint32(len(s.places))]
		if *place == 0 {
			*place = uint8(i + 1)
			return true
		}
		if items[*place-1].Name == name {
			return false
		}
	}
}
