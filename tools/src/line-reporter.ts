// A reporter of node:test that writes what counts as JSON lines, so that a run in another process can be tallied here.

import type { TestEvent } from "node:test/reporters";
import { messageOf } from "./test-tally.ts";

export interface ReportLine {
  readonly type: "pass" | "fail";
  readonly name: string;
  readonly nesting: number;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly testType?: string;
  readonly failureType?: string;
  /** Of what the test threw. */
  readonly message?: string;
}

export default async function* lineReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, nesting, skip, todo, details } = event.data;
    const error: unknown = "error" in details ? details.error : undefined;
    const line: ReportLine = {
      type: event.type === "test:pass" ? "pass" : "fail",
      name,
      nesting,
      ...(skip === undefined ? {} : { skip }),
      ...(todo === undefined ? {} : { todo }),
      ...(details.type === undefined ? {} : { testType: details.type }),
      ...(error instanceof Error && "failureType" in error ? { failureType: String(error.failureType) } : {}),
      ...(error instanceof Error ? { message: messageOf(error) } : {}),
    };
    yield `${JSON.stringify(line)}\n`;
  }
}
