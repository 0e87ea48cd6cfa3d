package hashring

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mainstay-go/mainstay/internal/chaos"
)

// Add makes nodes members: all of them or, with an error, none. Keys move only
// to the new nodes. An ID that is a member already gives ErrNodeExists; a node
// that New would refuse gives ErrConfig. O(points); concurrent changes wait for
// one another, lookups for none of them.
func (r *Ring[V]) Add(nodes ...Node[V]) error {
	r.current()
	fresh, err := r.enlist(nodes)
	if err != nil || len(fresh) == 0 {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.snapshot.Load()
	for _, m := range fresh {
		if _, found := old.find(m.node.ID); found {
			return fmt.Errorf("%w: %q", ErrNodeExists, m.node.ID)
		}
	}
	return r.publish(merge(old.members, fresh))
}

// Remove ends the membership of ids: of all of them or, with an error, of none.
// Only the keys of those nodes move. An ID that is no member gives
// ErrNodeNotFound; one that is named twice counts once. Leases on a removed
// node stay valid. The cost is that of Add.
func (r *Ring[V]) Remove(ids ...string) error {
	r.current()
	if len(ids) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.snapshot.Load()
	leaving := make([]bool, len(old.members))
	for _, id := range ids {
		at, found := old.find(id)
		if !found {
			return fmt.Errorf("%w: %q", ErrNodeNotFound, id)
		}
		leaving[at] = true
	}
	members := make([]*member[V], 0, len(old.members))
	for i, m := range old.members {
		if !leaving[i] {
			members = append(members, m)
		}
	}
	return r.publish(members)
}

// Update puts nodes in the place of the members that have their IDs: a new
// weight, zone or value, or drained. All of them or, with an error, none. A
// changed weight moves keys only to that node, or only away from it. The load
// of a node stays. An ID that is no member gives ErrNodeNotFound; a node that
// New would refuse gives ErrConfig. The cost is that of Add, or O(members) if
// no weight changes and none is drained or comes back.
func (r *Ring[V]) Update(nodes ...Node[V]) error {
	r.current()
	fresh, err := r.enlist(nodes)
	if err != nil || len(fresh) == 0 {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.snapshot.Load()
	members := slices.Clone(old.members)
	for _, m := range fresh {
		at, found := old.find(m.node.ID)
		if !found {
			return fmt.Errorf("%w: %q", ErrNodeNotFound, m.node.ID)
		}
		m.load = old.members[at].load
		members[at] = m
	}
	return r.publish(members)
}

// Replace makes nodes the whole membership, as service discovery delivers it,
// in one change; without arguments it empties the ring. A node whose ID was a
// member keeps its load. A node that New would refuse gives ErrConfig, and
// nothing changes. The cost is that of Update.
func (r *Ring[V]) Replace(nodes ...Node[V]) error {
	r.current()
	fresh, err := r.enlist(nodes)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.snapshot.Load()
	for _, m := range fresh {
		if at, found := old.find(m.node.ID); found {
			m.load = old.members[at].load
		}
	}
	return r.publish(fresh)
}

// publish makes members, sorted by ID, the membership, unless they are too many
// points or two IDs share a hash. It is called with mu held, and in New.
func (r *Ring[V]) publish(members []*member[V]) error {
	if err := checkTogether(members); err != nil {
		return err
	}
	next := newSnapshot(members, r.snapshot.Load())
	chaos.Point("hashring: built, not yet published")
	r.snapshot.Store(next)
	r.changes.Add(1)
	return nil
}

// merge joins two memberships, each sorted by ID and without an ID in common.
func merge[V any](a, b []*member[V]) []*member[V] {
	merged := make([]*member[V], 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].node.ID < b[0].node.ID {
			merged, a = append(merged, a[0]), a[1:]
		} else {
			merged, b = append(merged, b[0]), b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// enlist makes members of nodes, sorted by ID and with no load, or tells what
// is wrong with one of them. It reads nothing that changes, so it needs no
// lock.
func (r *Ring[V]) enlist(nodes []Node[V]) ([]*member[V], error) {
	members := make([]*member[V], len(nodes))
	index := make(map[string]int, len(nodes))
	for i, node := range nodes {
		m, field, rule, got := r.newMember(node)
		if rule != "" {
			return nil, configError(fmt.Sprintf("Nodes[%d].%s", i, field), rule, got)
		}
		if first, twice := index[node.ID]; twice {
			rule = fmt.Sprintf("must differ from Nodes[%d].ID", first)
			return nil, configError(fmt.Sprintf("Nodes[%d].ID", i), rule, fmt.Sprintf("%q", node.ID))
		}
		members[i], index[node.ID] = m, i
	}
	slices.SortFunc(members, func(a, b *member[V]) int { return cmp.Compare(a.node.ID, b.node.ID) })
	return members, nil
}

// newMember makes a member, or returns a field and the rule that it breaks.
func (r *Ring[V]) newMember(node Node[V]) (m *member[V], field, rule string, got any) {
	if node.ID == "" {
		return nil, "ID", "must not be empty", `""`
	}
	if rule := checkWeight(node.Weight); rule != "" {
		return nil, "Weight", rule, node.Weight
	}
	m = &member[V]{node: node, weight: cmp.Or(node.Weight, 1), load: new(counter)}
	m.seat.hash = Hash(node.ID)
	if node.Drained {
		return m, "", "", nil
	}
	points := virtualNodes(m.weight, r.virtualNodes)
	if points > maxPoints {
		return nil, "Weight", fmt.Sprintf("must give at most %d points", maxPoints), node.Weight
	}
	m.seat.points = uint32(points)
	return m, "", "", nil
}

// checkTogether refuses what no single node is guilty of. Two IDs with one hash
// would share all their points, and the second would own nothing; such IDs can
// be made on purpose.
func checkTogether[V any](members []*member[V]) error {
	points := uint64(0)
	byHash := make([]*member[V], len(members))
	for i, m := range members {
		points += uint64(m.seat.points)
		byHash[i] = m
	}
	if points > maxPoints {
		return configError("Nodes", fmt.Sprintf("must have at most %d points together", maxPoints), points)
	}
	slices.SortStableFunc(byHash, func(a, b *member[V]) int { return cmp.Compare(a.seat.hash, b.seat.hash) })
	for i := 1; i < len(byHash); i++ {
		if a, b := byHash[i-1], byHash[i]; a.seat.hash == b.seat.hash {
			return configError("Nodes", "must have IDs of different hashes", fmt.Sprintf("%q and %q", a.node.ID, b.node.ID))
		}
	}
	return nil
}
