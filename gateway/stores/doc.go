// Package stores tests the gateway on each kind of store that it supports: a single server, a
// master behind Sentinel and a Cluster, with the rights of deploy/redis.acl, with TLS, with a
// failover and with a new password. It contains only tests.
//
// FIELDGATE_TEST_REDIS_SERVER names the server's program, such as valkey-server. The program
// redis-server is the default. `make test-stores` runs the tests with each program that the
// machine has.
package stores
