package lrulist

import "fmt"

// Validate walks the whole table and reports the first inconsistency: the list
// read both ways, every chain, the unused nodes, and the counts. It is for
// tests and for builds with -tags invariants.
func (t *Table[K, V]) Validate() error {
	listed, err := t.validateList()
	if err != nil {
		return err
	}
	if err := t.validateChains(listed); err != nil {
		return err
	}
	return t.validateFree(listed)
}

// validateList returns which nodes are in the list.
func (t *Table[K, V]) validateList() ([]bool, error) {
	listed := make([]bool, len(t.nodes))
	count, prev := 0, uint32(0)
	for i := t.Front(); i != 0; prev, i = i, t.Next(i) {
		if int(i) >= len(t.nodes) || listed[i] {
			return nil, fmt.Errorf("list: node %d behind %d is out of range or listed twice", i, prev)
		}
		if t.nodes[i].prev != prev {
			return nil, fmt.Errorf("list: node %d has prev %d, want %d", i, t.nodes[i].prev, prev)
		}
		listed[i] = true
		count++
	}
	if t.Back() != prev {
		return nil, fmt.Errorf("list: back is %d, want %d", t.Back(), prev)
	}
	if count != t.live {
		return nil, fmt.Errorf("list: %d nodes, Len says %d", count, t.live)
	}
	return listed, nil
}

// validateChains checks that exactly the listed nodes are chained, each once
// and in the bucket of its hash.
func (t *Table[K, V]) validateChains(listed []bool) error {
	if n := len(t.buckets); n&(n-1) != 0 || n < 2*t.room() {
		return fmt.Errorf("buckets: %d for %d nodes", n, t.room())
	}
	chained := make([]bool, len(t.nodes))
	count := 0
	for b, head := range t.buckets {
		for i := head; i != 0; i = t.nodes[i].chain {
			if chained[i] || !listed[i] || t.bucket(t.nodes[i].hash) != uint32(b) {
				return fmt.Errorf("chains: node %d is misplaced in bucket %d", i, b)
			}
			chained[i] = true
			count++
		}
	}
	if count != t.live {
		return fmt.Errorf("chains: %d nodes, Len says %d", count, t.live)
	}
	return nil
}

// validateFree checks that the nodes that are not listed are all in the free
// list, linked to nothing else.
func (t *Table[K, V]) validateFree(listed []bool) error {
	count := 0
	for i := t.free; i != 0; i = t.nodes[i].chain {
		n := &t.nodes[i]
		if listed[i] || n.prev != 0 || n.next != 0 || n.hash != 0 {
			return fmt.Errorf("free list: node %d is in use", i)
		}
		if count++; count > len(t.nodes) {
			return fmt.Errorf("free list: endless")
		}
	}
	if unused := max(len(t.nodes)-1, 0) - t.live; count != unused {
		return fmt.Errorf("free list: %d nodes, want %d", count, unused)
	}
	return nil
}
