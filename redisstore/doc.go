// Package redisstore keeps sessions in Redis, for apps of more than one process
// and for sessions that outlive a restart. It works with a single server, under
// Sentinel and on a Cluster; it is made for Redis 6.2 and later and tested with 7.0.
//
//	opts, err := redisstore.ParseURL("redis://127.0.0.1:6379")
//	if err != nil { … }
//	client := redis.NewUniversalClient(opts)
//	defer client.Close()
//	store := redisstore.New(client)
//
// A user's sessions are the fields of one hash. Every method is one command or
// one script on that key: one round trip, atomic, on one slot of a cluster,
// judged by the server's clock. The guide, docs/redis.md, says what a server
// needs to be set to, what is lost in which failure, and what a session costs.
//
// # Setting up the client
//
// [New] takes any redis.UniversalClient except a *redis.Ring, whose users would
// be signed out when a shard is down. [ParseURL] returns options set as
// follows; who makes options in another way should set the same.
//
//   - ContextTimeoutEnabled: true. Otherwise go-redis ignores deadlines, and a
//     connection into a black hole takes it 5 s and more to give up, a few times
//     over. The app's requests are answered in time in any case (Config.Timeout), but
//     the calls left behind hold goroutines and connections until then.
//   - ReadTimeout and WriteTimeout: 500 ms, half the store's timeout, so that a
//     connection that has died silently leaves time for a second try.
//   - MaxRetries: left at 3. The client then tries again after lost replies and
//     dropped connections, within the store's timeout. To repeat a call is
//     harmless: the rule of package session says so for refreshes, and the other
//     methods give the same result twice.
//   - PoolSize: 64 instead of 10 for each processor. Callers that wait for a
//     connection are the next thing to wait for after the server itself.
//   - PoolTimeout: 125 ms, an eighth of the store's timeout, instead of 1.5 s. The
//     client tries four times to get a connection (MaxRetries, on a cluster
//     MaxRedirects), with short pauses, so a call spends six tenths of its time on
//     that at most, and has the rest for its work. A call that waits until its time
//     is nearly over is cut off in the middle, and the client closes its connection.
//     Then a stall or an overload of a second or two is enough, and no call succeeds
//     until there are fewer than a third of what the server can do.
//   - AutoPipelineOptions: MaxQueuedCommands of 2,048, for pipelining. A command whose
//     caller has given up stays in the pipeline; without the limit they pile up while
//     the server hangs.
//
// Who changes the store's timeout (see [WithTimeout]) changes ReadTimeout,
// WriteTimeout and PoolTimeout by the same factor.
//
// Beyond some tens of thousands of refreshes a second, which with access tokens
// of 15 minutes are tens of millions of people online, the client's pipelining
// lets one server do about twice as much:
//
//	pipeline, err := client.AsyncAutoPipeline()
//	if err != nil { … }
//	store := redisstore.New(pipeline)
//
// The deferred face, AsyncAutoPipeline, carries about half as much again as the
// blocking one, which works too. Below that load pipelining gains nothing, one dead
// connection delays the calls of all callers, and go-redis calls it experimental: it
// is not the default.
//
// It is for a single server, not for a cluster. There one shard that hangs makes
// about half of the calls to the others fail, and the store cannot reach through
// the pipeline to have the client look for a new master.
//
// Rotations a second, measured beside a bare script that compares and sets the
// same field (BenchmarkRotate; server and client on one machine of two
// processors, which other work shared, in November 2026; best of several runs):
//
//	callers                       1        8       64
//	pool of 64: bare         17,000   74,000   72,000
//	pool of 64: store        12,000   67,000   66,000
//	deferred pipeline: bare  13,000   52,000  133,000
//	deferred pipeline: store 13,000   43,000   91,000
package redisstore
