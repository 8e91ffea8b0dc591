"""Rate limits, adaptive concurrency, circuit breaker and retries, per origin."""
