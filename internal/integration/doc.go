// Package integration is where mainstay meets the programs it claims to work
// with: real servers, and the client libraries and decoders of third parties.
// It is a module of its own, so that none of them becomes a dependency of
// mainstay.
//
// What belongs here: a test that needs a running Redis or PostgreSQL, a test
// through a third party's client or decoder, and the helpers that start the
// servers (folders redisserver and postgresserver). What does not: fakes, and
// anything that can be tested beside the code.
//
// Every test starts its own server on a free port and stops it. Without the
// server's program it skips and says what to install; with REQUIRE_SERVERS=1 it
// fails instead, so that a build which means to run these tests cannot pass
// without.
package integration
