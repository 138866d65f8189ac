// Counts what the test runner reports. Suites are not tests; a test marked todo counts as skipped, whatever came out.

/** The part of node:test's `test:pass` and `test:fail` that counts. */
interface TestReport {
  readonly name: string;
  readonly nesting: number;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: { readonly type?: string | undefined; readonly error?: unknown };
}

interface NamedTest {
  readonly file: string;
  readonly name: string;
}

export class TestTally {
  passed = 0;
  readonly failed: (NamedTest & { readonly message: string })[] = [];
  readonly skipped: (NamedTest & { readonly reason: string })[] = [];

  addPass(file: string, test: TestReport): void {
    if (this.#addSkipped(file, test) || test.details.type === "suite") return;
    // The runner reports a file itself only when there was nothing in it to report.
    if (isFile(file, test)) this.failed.push({ file, name: "the file as a whole", message: "has no tests" });
    else this.passed++;
  }

  addFail(file: string, test: TestReport): void {
    if (this.#addSkipped(file, test)) return;
    // A suite fails when one of its tests does, which is counted by itself, or by its own hooks.
    if (test.details.type === "suite" && failureTypeOf(test.details.error) === "subtestsFailed") return;
    const { error } = test.details;
    const message = error instanceof Error ? messageOf(error) : String(error);
    this.failed.push({ file, name: isFile(file, test) ? "the file as a whole" : test.name, message });
  }

  #addSkipped(file: string, test: TestReport): boolean {
    const mark = test.skip ?? test.todo;
    if (mark === undefined || mark === false) return false;
    this.skipped.push({
      file,
      name: test.name,
      reason: typeof mark === "string" && mark !== "" ? mark : "no reason given",
    });
    return true;
  }
}

/** What the test threw, which the runner wraps. */
export function messageOf(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function isFile(file: string, test: TestReport): boolean {
  return test.nesting === 0 && test.name === file;
}

function failureTypeOf(error: unknown): unknown {
  return error instanceof Error && "failureType" in error ? error.failureType : undefined;
}
