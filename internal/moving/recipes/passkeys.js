import { loadSession, luciaFetch } from "/api/auth/client.js";

// Adds a passkey to the signed-in user's account.
export async function addPasskey() {
  const { publicKey } = await post("/passkeys/new");
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey);
  await post("/passkeys", await navigator.credentials.create({ publicKey: options }));
}

// Signs in with a passkey of this device.
export async function signInWithPasskey() {
  const { publicKey } = await post("/login/passkey/new");
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
  await post("/login/passkey", await navigator.credentials.get({ publicKey: options }));
  await loadSession();
}

async function post(url, credential) {
  const response = await luciaFetch(url, { method: "POST", body: JSON.stringify(credential) });
  if (!response.ok) throw new Error(await response.text());
  return response.status === 204 ? null : response.json();
}
