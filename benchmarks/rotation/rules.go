package rotation

import "time"

// Rules are the rules to compare, lucia first. Lifetimes are not compared: the simulations assume
// settings with which a session lives longer than the scenario.
var Rules = []Entry{
	{
		Name: "lucia", Version: "this commit", Setting: "default",
		Source: "session/rule.go",
		Ends:   "all sessions of the user; with `RevokeSessionOnly` the session",
		New:    newLucia,
	},
	{
		Name: "SuperTokens", Version: "core 12.1.1, CDI 5.6", Setting: "grace 30 s (default)",
		Source: "https://github.com/supertokens/supertokens-core/blob/v12.1.1/src/main/java/io/supertokens/session/Session.java",
		Ends:   "the session",
		New:    func() Rule { return &superTokens{grace: 30 * time.Second} },
	},
	{
		Name: "SuperTokens, older SDKs", Version: "core 12.1.1, CDI 5.4", Setting: "none",
		Source: "https://github.com/supertokens/supertokens-core/blob/v12.1.1/src/main/java/io/supertokens/session/Session.java",
		Ends:   "what the SDK's handler ends; by default the session",
		New:    func() Rule { return &superTokensLegacy{} },
	},
	{
		Name: "Supabase Auth", Version: "2.196.0", Setting: "reuse interval 10 s",
		Source: "https://github.com/supabase/auth/blob/v2.196.0/internal/tokens/service.go",
		Ends:   "the session's refresh tokens",
		New:    func() Rule { return &supabase{interval: 10 * time.Second} },
	},
	{
		Name: "Supabase Auth, algorithm 2", Version: "2.196.0", Setting: "reuse interval 10 s",
		Source: "https://github.com/supabase/auth/blob/v2.196.0/internal/tokens/service.go",
		Ends:   "the session",
		New:    func() Rule { return &supabaseCounter{interval: 10 * time.Second} },
	},
	{
		Name: "Auth0", Version: "documents of 2026", Setting: "no overlap (default)",
		Source: "https://auth0.com/docs/secure/tokens/refresh-tokens/configure-refresh-token-rotation",
		Title:  "Configure Refresh Token Rotation, Auth0 Docs, read 2026-11-29",
		Ends:   "the family of the token",
		New:    func() Rule { return &familyRule{reuse: Ended} },
	},
	{
		Name: "Auth0, with overlap", Version: "documents of 2026", Setting: "overlap 30 s",
		Source: "https://auth0.com/docs/secure/tokens/refresh-tokens/configure-refresh-token-rotation",
		Title:  "Configure Refresh Token Rotation, Auth0 Docs, read 2026-11-29",
		Ends:   "the family of the token",
		New:    func() Rule { return &familyRule{reuse: Ended, leeway: 30 * time.Second} },
	},
	{
		Name: "Okta", Version: "documents of 2026", Setting: "rotation on, leeway 30 s (default)",
		Source: "https://developer.okta.com/docs/guides/refresh-tokens/refresh-token-rotation/",
		Title:  "Refresh token rotation, Okta Developer, read 2026-11-29",
		Ends:   "the last refresh token and all access tokens since the sign-in",
		New:    func() Rule { return &familyRule{reuse: Ended, leeway: 30 * time.Second} },
	},
	{
		Name: "Amazon Cognito", Version: "API of 2026", Setting: "rotation on, retry grace 60 s (the longest)",
		Source: "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RefreshTokenRotationType.html",
		Title:  "RefreshTokenRotationType, Amazon Cognito User Pools, read 2026-11-29",
		Ends:   "only the request (`RefreshTokenReuseException`); the documents name nothing else",
		New:    func() Rule { return &familyRule{reuse: Refused, leeway: time.Minute} },
	},
	{
		Name: "Keycloak", Version: "26.7.4", Setting: "“Revoke Refresh Token” on, max reuse 0",
		Source: "https://github.com/keycloak/keycloak/blob/26.7.4/services/src/main/java/org/keycloak/protocol/oidc/TokenManager.java",
		Ends:   "the client's session within the user's",
		New:    func() Rule { return &keycloak{} },
	},
	{
		Name: "Ory Hydra", Version: "26.2.0", Setting: "no grace (default)",
		Source: "https://github.com/ory/hydra/blob/v26.2.0/persistence/sql/persister_oauth2.go",
		Ends:   "all tokens of the consent",
		New:    func() Rule { return &hydra{} },
	},
	{
		Name: "Ory Hydra, graceful", Version: "26.2.0", Setting: "grace 5 min (the longest without a reuse count)",
		Source: "https://github.com/ory/hydra/blob/v26.2.0/persistence/sql/persister_oauth2.go",
		Ends:   "all tokens of the consent",
		New:    func() Rule { return &hydra{grace: 5 * time.Minute} },
	},
	{
		Name: "Airlock IAM", Version: "documents of 7.7", Setting: "single use, no grace",
		Source: "https://docs.airlock.com/iam/7.7/data/data/1594920812889.html",
		Ends:   "only the request; the documents name nothing else",
		New:    func() Rule { return &airlock{} },
	},
	{
		Name: "Airlock IAM, with grace", Version: "documents of 7.7", Setting: "single use, grace as long as the token",
		Source: "https://docs.airlock.com/iam/7.7/data/data/1594920812889.html",
		Ends:   "only the request; the documents name nothing else",
		New:    func() Rule { return &airlock{grace: 365 * 24 * time.Hour} },
	},
	{
		Name: "gin-jwt", Version: "3.4.1", Setting: "default",
		Source: "https://github.com/appleboy/gin-jwt/blob/v3.4.1/auth_jwt.go",
		Ends:   "only the request",
		New:    func() Rule { return &ginJWT{} },
	},
}
