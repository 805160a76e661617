// An app on lucia-sveltekit 0.9, before it moves to lucia. What SvelteKit does for such an app is
// in sveltekit.mjs, so that the app runs on node alone.
import lucia, { Error as LuciaError, setCookie } from "lucia-sveltekit";

import { escape, html, json, redirect } from "./sveltekit.mjs";

// adapter returns an adapter of lucia-sveltekit for the tables user and refresh_token. A database
// returns a new object for each row that is read, and so does the adapter: the library deletes
// fields of what it gets.
const adapter = ({ users, refreshTokens }) => {
  const copy = (row) => (row ? { ...row } : null);
  const reading = async (read) => {
    try {
      return copy(read());
    } catch {
      throw new LuciaError("DATABASE_FETCH_FAILED");
    }
  };
  const writing = async (write) => {
    try {
      return copy(write());
    } catch {
      throw new LuciaError("DATABASE_UPDATE_FAILED");
    }
  };
  const withIdentifier = (token) => [...users.values()].find((row) => row.identifier_token === token);
  const deleteTokensOf = (userId) => {
    for (const [token, owner] of refreshTokens.entries()) {
      if (owner === userId) refreshTokens.delete(token);
    }
  };
  return {
    getUserById: (id) => reading(() => users.get(id)),
    getUserByIdentifierToken: (token) => reading(() => withIdentifier(token)),
    getUserByRefreshToken: (token) => reading(() => users.get(refreshTokens.get(token))),
    setUser: async (id, { user_data, ...row }) => {
      if (await reading(() => withIdentifier(row.identifier_token))) {
        throw new LuciaError("AUTH_DUPLICATE_IDENTIFIER_TOKEN");
      }
      await writing(() => void users.set(id, { id, ...row, ...user_data }));
    },
    updateUser: (id, { user_data, ...row }) =>
      writing(() => users.set(id, { ...users.get(id), ...row, ...user_data }).get(id)),
    deleteUser: (id) => writing(() => void users.delete(id)),
    setRefreshToken: (token, userId) => writing(() => void refreshTokens.set(token, userId)),
    deleteRefreshToken: (token) => writing(() => void refreshTokens.delete(token)),
    deleteUserRefreshTokens: (userId) => writing(() => deleteTokensOf(userId)),
  };
};

// before returns the app: a function from SvelteKit's event to a Response. tables has the maps
// users, from ids to rows, and refreshTokens, from tokens to ids of users.
export const before = ({ secret, tables }) => {
  const auth = lucia({ adapter: adapter(tables), secret, env: "PROD" });
  const load = auth.handleServerSession();

  const credentials = (title) => html(`<title>${title}</title>
    <form method="post"><input name="username"><input name="password" type="password"><button>${title}</button></form>`);

  const signIn = async ({ request, cookies }, open) => {
    const form = await request.formData();
    try {
      const session = await open(form.get("username"), form.get("password"));
      setCookie(cookies, ...session.cookies);
    } catch (e) {
      if (e.message.startsWith("DATABASE_")) throw e;
      if (e.message === "AUTH_DUPLICATE_IDENTIFIER_TOKEN") return new Response("the name is taken", { status: 409 });
      return new Response("wrong name or password", { status: 401 });
    }
    return redirect("/");
  };

  // refuse answers a request of a script whose session is not valid.
  const refuse = (e) => json({ message: e.message }, 401);

  const routes = {
    "GET /": async (event) => {
      const { _lucia } = await load(event);
      const greeting = _lucia
        ? `<p>Hello, ${escape(_lucia.user.name)}.</p>
           <form method="post" action="/name"><input type="hidden" name="_lucia" value="${_lucia.access_token}">
           <input name="name"><button>Change name</button></form>`
        : `<p>Hello, stranger. <a href="/login">Sign in</a></p>`;
      return html(`<title>Shop</title>${greeting}`, { _lucia });
    },
    "GET /account": async (event) => {
      const { _lucia } = await load(event);
      return _lucia ? html(`<p>Account of ${escape(_lucia.user.name)}</p>`, { _lucia }) : redirect("/login");
    },
    "GET /signup": () => credentials("Sign up"),
    "POST /signup": (event) =>
      signIn(event, (username, password) =>
        auth.createUser("username", username, { password, user_data: { name: username } }),
      ),
    "GET /login": () => credentials("Sign in"),
    "POST /login": (event) =>
      signIn(event, (username, password) => auth.authenticateUser("username", username, password)),
    "POST /name": async ({ request }) => {
      let session;
      try {
        session = await auth.validateFormSubmission(request);
      } catch (e) {
        return refuse(e);
      }
      await auth.updateUserData(session.user.user_id, { name: (await request.formData()).get("name") });
      return redirect("/");
    },
    "GET /api/me": ({ request }) => auth.validateRequest(request).then(({ user }) => json(user), refuse),
  };

  // A link downloads the export, so its requests have no Authorization header.
  const exportUser = ({ request }) => auth.validateRequestByCookie(request).then(({ user }) => json(user), refuse);

  const handle = auth.handleHooks();
  return (event) =>
    handle({
      event,
      resolve: ({ request, url }) => {
        if (url.pathname === "/export") return exportUser(event);
        const route = routes[`${request.method} ${url.pathname}`];
        return route ? route(event) : new Response("not found", { status: 404 });
      },
    });
};
