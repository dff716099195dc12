// A journey with the generated TypeScript client: register, sign in, place, import and list orders, sign out.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.ts";

const email = "alan@example.com";
const password = "correct horse battery staple";
const client = createClient<paths>({ baseUrl: process.argv[2] });

const user = await client.POST("/api/v1/users", { body: { email, password } });
assert(user.data, JSON.stringify(user.error));

const signedIn = await client.POST("/api/v1/auth/token", {
  body: { grant_type: "password", username: email, password },
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
});
assert(signedIn.data, JSON.stringify(signedIn.error));
const pair: components["schemas"]["TokenPair"] = signedIn.data;
client.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${pair.access_token}`);
  },
});

const me = await client.GET("/api/v1/users/me");
assert.equal(me.data?.id, user.data.id);

for (let number = 0; number < 3; number += 1) {
  const placed = await client.POST("/api/v1/orders", {
    body: { lines: [{ sku: "TEA-250", quantity: 2, unit_price_cents: 499 }] },
  });
  assert.equal(placed.data?.total_cents, 998);
}
const line = JSON.stringify({ lines: [{ sku: "TEA-250", quantity: 1, unit_price_cents: 499 }] });
const imported = await client.POST("/api/v1/orders/import", {
  body: `${line}\n${line}\n`,
  bodySerializer: (text) => text,
  headers: { "Content-Type": "application/x-ndjson" },
});
assert.equal(imported.data?.imported, 2);

let found = 0;
// never undefined: the document says that it is always sent
let cursor: string | null = null;
do {
  const page: { data?: components["schemas"]["Page_OrderRead_"] } = await client.GET("/api/v1/orders", {
    params: { query: { limit: 2, ...(cursor ? { cursor } : {}) } },
  });
  assert(page.data);
  found += page.data.items.length;
  cursor = page.data.next_cursor;
} while (cursor);
assert.equal(found, 5);

const again = { body: { refresh_token: pair.refresh_token } };
const signedOut = await client.POST("/api/v1/auth/logout", again);
assert.equal(signedOut.response.status, 204);
const refused = await client.POST("/api/v1/auth/refresh", again);
assert.equal(refused.error?.code, "invalid_refresh_token");
