// Writes session.json, with lucia-sveltekit 0.9.1 from npm: npm ci --ignore-scripts, and then
// node testdata/session.mjs > testdata/session.json
import lucia from "lucia-sveltekit";

const secret = "the secret of the app in SvelteKit, of 32 characters or more";
const tokens = [];
let hash = "";
const auth = lucia({
  secret,
  env: "PROD",
  generateUserId: () => "u1",
  adapter: {
    setUser: async (id, data) => {
      hash = data.hashed_password;
    },
    setRefreshToken: async (token) => {
      tokens.push(token);
    },
  },
});
const { cookies } = await auth.createUser("username", "ada", {
  password: "secret",
  user_data: { name: "Ada" },
});
const names = ["access_token", "encrypt_refresh_token", "fingerprint_token"];
console.log(
  JSON.stringify(
    {
      secret,
      hashed_password: hash,
      refresh_token: tokens[0],
      cookies: Object.fromEntries(cookies.map((line, i) => [names[i], line.match(/=([^;]*)/)[1]])),
    },
    null,
    2,
  ),
);
