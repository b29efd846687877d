package scmrights

// fewNames is up to how many names are compared one by one; a map is quicker
// from there on.
const fewNames = 16

// nameSet finds a name that is in an offer twice. The zero value is empty.
type nameSet struct{ seen map[string]struct{} }

// add adds the name of item i, false when an item before has it.
func (s *nameSet) add(items []Item, i int) bool {
	name := items[i].Name
	if len(items) <= fewNames {
		for j := range i {
			if items[j].Name == name {
				return false
			}
		}
		return true
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{}, len(items))
	}
	before := len(s.seen)
	s.seen[name] = struct{}{}
	return len(s.seen) > before
}
