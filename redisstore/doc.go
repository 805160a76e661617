// Package redisstore keeps sessions in Redis, for apps of several processes and for sessions that
// survive a restart. It works with a single server, with Sentinel and with a Cluster. It requires
// Redis 6.2 or later and is tested with 7.0.
//
//	opts, err := redisstore.ParseURL("redis://127.0.0.1:6379")
//	if err != nil { … }
//	client := redis.NewUniversalClient(opts)
//	defer client.Close()
//	store := redisstore.New(client)
//
// The sessions of a user are the fields of one hash. Every method is one command or one script on
// that key: one round trip, atomic, on one slot of a cluster, and timed by the server's clock.
// The guide, docs/redis.md, describes how to configure a server, what is lost in which failure,
// and what a session costs.
//
// # Setting up the client
//
// [New] takes any redis.UniversalClient except a *redis.Ring, which would sign out the users of a
// shard that is down. [ParseURL] returns options with the following settings. An app that makes
// its options in another way should set the same.
//
//   - ContextTimeoutEnabled: true. Otherwise go-redis ignores deadlines, and a connection attempt
//     that gets no answer takes 5 s or more, several times over. The app's requests are answered
//     in time in any case (Config.Timeout), but the abandoned calls hold goroutines and
//     connections until then.
//   - ReadTimeout and WriteTimeout: 500 ms, half of the store's timeout, so that a connection
//     that has died silently leaves time for a second attempt.
//   - MaxRetries: the default of 3. The client tries again after lost replies and dropped
//     connections, within the store's timeout. Repeating a call is harmless: the rule of package
//     session allows it for refreshes, and the other methods give the same result twice.
//   - PoolSize: 64, instead of 10 for each processor. After the server itself, the pool is what
//     calls wait for most.
//   - PoolTimeout: 125 ms, an eighth of the store's timeout, instead of 1.5 s. The client tries
//     four times to get a connection (MaxRetries, on a cluster MaxRedirects), with short pauses,
//     so a call spends at most six tenths of its time on that and has the rest for its work. If a
//     call waited until its time was nearly over, it would be cut off in the middle and the
//     client would close its connection. After a stall or an overload of a second or two, no call
//     would then succeed until the load fell below a third of what the server can do.
//   - AutoPipelineOptions: MaxQueuedCommands of 2,048, for pipelining. A command whose caller has
//     given up stays in the pipeline. Without the limit, such commands pile up while the server
//     does not answer.
//
// If you change the store's timeout with [WithTimeout], change ReadTimeout, WriteTimeout and
// PoolTimeout by the same factor.
//
// # Pipelining
//
// The client's pipelining lets one server do about twice as many refreshes. That matters beyond
// some tens of thousands of refreshes a second, which are tens of millions of users online with
// access tokens of 15 minutes.
//
//	pipeline, err := client.AsyncAutoPipeline()
//	if err != nil { … }
//	store := redisstore.New(pipeline)
//
// The deferred pipeline, AsyncAutoPipeline, does about 1.5 times as much as the blocking one, which
// works, too. Pipelining is not the default: below that load it gains nothing, one dead
// connection delays the calls of all callers, and go-redis calls it experimental.
//
// Use it with a single server, not with a cluster. On a cluster, one shard that does not answer
// makes about half of the calls to the other shards fail, and through the pipeline the store cannot
// make the client look for a new master.
//
// BenchmarkRotate measures rotations with a pool and with the pipeline, beside a bare script that
// compares and sets the same field.
package redisstore
