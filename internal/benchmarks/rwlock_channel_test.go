package benchmarks

// rwlockChannel is a channel of one as a lock: a reader keeps other readers out, too.
var rwlockChannel = rwlockImpl{
	name: "channel",
	make: func() rwlockLock { return &rwlockChannelLock{make(chan struct{}, 1)} },
}

type rwlockChannelLock struct{ l chan struct{} }

func (m *rwlockChannelLock) read(inside func()) {
	m.l <- struct{}{}
	inside()
	<-m.l
}

func (m *rwlockChannelLock) write(inside func()) {
	m.l <- struct{}{}
	inside()
	<-m.l
}

func (m *rwlockChannelLock) reads(n int) {
	for range n {
		m.l <- struct{}{}
		<-m.l
	}
}

func (m *rwlockChannelLock) writes(n int) {
	for range n {
		m.l <- struct{}{}
		<-m.l
	}
}

func (m *rwlockChannelLock) mixed(r *rwlockRegister, calls, writeOneIn, work int) (sum int) {
	for i := range calls {
		if i%writeOneIn == 0 {
			m.l <- struct{}{}
			sum += r.write(work)
			<-m.l
		} else {
			m.l <- struct{}{}
			sum += r.read(work)
			<-m.l
		}
	}
	return sum
}
