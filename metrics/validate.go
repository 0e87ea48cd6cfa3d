package metrics

import (
	"errors"
	"fmt"
)

// checkedUpTo is the size up to which a build with invariants walks a Vec or a
// Keyed after each change; the walks of a large one would be quadratic.
const checkedUpTo = 100

// validateLocked returns what is wrong with v.
func (v *Vec[L, M]) validateLocked(set *vecSettings) error {
	if err := v.index.validateLocked(); err != nil {
		return err
	}
	if v.lenLocked() > set.maxSeries {
		return fmt.Errorf("%d series, at most %d allowed", v.lenLocked(), set.maxSeries)
	}
	keyed := 0
	uses := make([]map[string]int, len(v.admitted))
	for block, e := range v.byBlock {
		if e.value.block != block || set.schema.block(e.value.values) != block {
			return fmt.Errorf("series %q stands at %q", e.value.block, block)
		}
		if e.value.keyed {
			keyed++
		}
		if e.value.keyed && v.index.get(e.key) != e {
			return fmt.Errorf("series %q is not found by its labels", block)
		}
		for i, value := range e.value.values {
			if e == v.rest.Load() || value == other {
				continue
			}
			if uses[i] == nil {
				uses[i] = map[string]int{}
			}
			uses[i][value]++
		}
	}
	if keyed != v.index.lenLocked() {
		return errors.New("the index holds series that were deleted")
	}
	for i, admitted := range v.admitted {
		if len(admitted) > set.maxValues {
			return fmt.Errorf("%d values of label %d, at most %d allowed", len(admitted), i, set.maxValues)
		}
		if fmt.Sprint(admitted) != fmt.Sprint(uses[i]) && len(admitted)+len(uses[i]) > 0 {
			return fmt.Errorf("label %d has values %v, should have %v", i, admitted, uses[i])
		}
	}
	return nil
}
