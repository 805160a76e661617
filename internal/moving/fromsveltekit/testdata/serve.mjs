// Starts before.mjs for a test and prints its address. Each line of the input is a command, which a
// line of the output answers: "down" makes the database unavailable, "up" ends that, and "tables"
// prints the rows. The program ends with its input.
import { createInterface } from "node:readline";

import { before } from "../before.mjs";
import { serve } from "../sveltekit.mjs";

let down = false;
class Table extends Map {}
for (const name of ["get", "set", "delete", "values", "entries"]) {
  Table.prototype[name] = function (...args) {
    if (down) throw new Error("the database is unavailable");
    return Map.prototype[name].apply(this, args);
  };
}

const tables = { users: new Table(), refreshTokens: new Table() };
const server = await serve(before({ secret: process.argv[2], tables }), process.argv[3]);
console.log(`http://127.0.0.1:${server.address().port}`);

const commands = {
  down: () => ((down = true), {}),
  up: () => ((down = false), {}),
  tables: () => ({ users: [...tables.users.values()], refresh_tokens: [...tables.refreshTokens.keys()] }),
};
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(commands[line]()));
}
process.exit();
