// node:test's `spec` output without the counts that each run ends with: the tally has them for all.

import { Readable } from "node:stream";
import { spec as Spec } from "node:test/reporters";
import type { TestEvent } from "node:test/reporters";

export default async function* specReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const text of Readable.from(withoutSummary(events)).compose(new Spec())) yield text as string;
}

async function* withoutSummary(events: AsyncIterable<TestEvent>): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    if (event.type === "test:summary" || (event.type === "test:diagnostic" && event.data.nesting === 0)) continue;
    yield event;
  }
}
