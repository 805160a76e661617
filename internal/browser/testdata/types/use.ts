// The types that an app's editor gets from the module. This file is compiled and never run.
import {
  LuciaError,
  getSession,
  handleSilentRefresh,
  luciaFetch,
  refreshTokens,
  signOut,
} from "../../lucia.js";

/** Compiles only if both types are the same. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : never;
const same = <A, B>(_: Same<A, B>) => {};

type Profile = { user_id: string; username: string };

export async function use() {
  const store = getSession<Profile>();
  const stop: () => void = store.subscribe((session) => {
    same<
      typeof session,
      ({ user: Profile } & { access_token?: string; refresh_token?: string }) | null
    >(true);
  });
  store.update((session) => session && { ...session, user: { ...session.user, username: "ada" } });
  store.set(null);
  // @ts-expect-error: the store holds sessions, not text
  store.set("ada");
  getSession().subscribe((session) => session?.user.user_id.trim());

  const given = await refreshTokens("token");
  same<typeof given, { access_token: string; refresh_token: string }>(true);
  const own = await refreshTokens();
  // @ts-expect-error: there is no token in hardened mode
  own.access_token.length;

  const left: Promise<void> = signOut();
  await signOut("/");
  // @ts-expect-error: a redirect is text
  await signOut(1);

  const halt: () => void = handleSilentRefresh();
  handleSilentRefresh((error) => {
    same<typeof error, LuciaError>(true);
    const seconds: number = error.retryAfter;
    return seconds;
  });

  const response: Response = await luciaFetch(new URL("https://app.example/"), { method: "POST" });
  return { stop, left, halt, response };
}
