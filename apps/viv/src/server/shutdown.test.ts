// The end of a server, seen by its clients: what was answered is kept, watches end as streams do and not as broken connections.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigMap } from "@vivarium/api";
import { VivProcess } from "../testing/viv-process.ts";

const namespace = "default";

test("a server that is asked to end finishes its writes, ends its watches cleanly, and ends with 0", async () => {
  await using server = new VivProcess();
  await server.start();
  const client = await server.client();
  const { resourceVersion } = await client.list(ConfigMap, { namespace });
  const seen: (string | undefined)[] = [];
  const watching = (async () => {
    for await (const event of client.watch(ConfigMap, { namespace, resourceVersion }))
      if (event.type === "ADDED") seen.push(event.object.metadata.name);
  })();
  const names = Array.from({ length: 20 }, (_, index) => `last-${index}`);
  const writes = names.map((name) =>
    client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name } }).then(
      () => name,
      () => undefined,
    ),
  );
  await writes[0];
  assert.equal(await server.stop(), 0);
  await watching;
  const answered = (await Promise.all(writes)).filter((name) => name !== undefined);
  assert.ok(answered.length > 0);
  await client.close();

  await server.start();
  const again = await server.client();
  const found = (await again.list(ConfigMap, { namespace })).items.map((item) => item.metadata.name);
  for (const name of answered) assert.ok(found.includes(name), `${name} was answered and is there`);
  for (const name of seen) assert.ok(found.includes(name ?? ""), `${name} was seen and is there`);
  await again.close();
});
