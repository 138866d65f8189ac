// Lists and sets: isSorted, sum, min, max, indexOf, lastIndexOf, distinct, reverse, slice; sets.contains, equivalent, intersects.

import type { Environment } from "@marcbachmann/cel-js";
import { isEqual } from "./is-equal.ts";

/** The receiver of `sets.contains(a, b)`. */
class Sets {
  readonly name = "sets";
}

export function registerLists(environment: Environment): void {
  const has = (list: readonly unknown[], wanted: unknown): boolean => list.some((each) => isEqual(each, wanted));
  environment
    .registerFunction("list<A>.isSorted(): bool", (list: readonly unknown[]) =>
      list.every((item, index) => index === 0 || !isLess(item, list[index - 1])),
    )
    .registerFunction("list<int>.sum(): int", (list: readonly bigint[]) => list.reduce((sum, item) => sum + item, 0n))
    .registerFunction("list<double>.sum(): double", (list: readonly number[]) =>
      list.reduce((sum, item) => sum + item, 0),
    )
    .registerFunction("list<A>.min(): A", (list: readonly unknown[]) => extreme(list, "min", (a, b) => isLess(a, b)))
    .registerFunction("list<A>.max(): A", (list: readonly unknown[]) => extreme(list, "max", (a, b) => isLess(b, a)))
    .registerFunction("list<A>.indexOf(A): int", (list: readonly unknown[], wanted: unknown) =>
      BigInt(list.findIndex((each) => isEqual(each, wanted))),
    )
    .registerFunction("list<A>.lastIndexOf(A): int", (list: readonly unknown[], wanted: unknown) =>
      BigInt(list.findLastIndex((each) => isEqual(each, wanted))),
    )
    .registerFunction("list<A>.reverse(): list<A>", (list: readonly unknown[]) => list.toReversed())
    .registerFunction("list<A>.distinct(): list<A>", (list: readonly unknown[]) =>
      list.filter((item, index) => list.findIndex((each) => isEqual(each, item)) === index),
    )
    .registerFunction("list<A>.slice(int, int): list<A>", (list: readonly unknown[], from: bigint, to: bigint) => {
      if (from < 0n || to < from || to > list.length)
        throw new RangeError(`slice(${from}, ${to}): expected a range within 0 and ${list.length}`);
      return list.slice(Number(from), Number(to));
    })
    .registerType("kubernetes.Sets", Sets)
    .registerConstant("sets", "kubernetes.Sets", new Sets())
    .registerFunction(
      "kubernetes.Sets.contains(list<A>, list<A>): bool",
      (_: Sets, list: readonly unknown[], wanted: readonly unknown[]) => wanted.every((each) => has(list, each)),
    )
    .registerFunction(
      "kubernetes.Sets.equivalent(list<A>, list<A>): bool",
      (_: Sets, a: readonly unknown[], b: readonly unknown[]) =>
        a.every((each) => has(b, each)) && b.every((each) => has(a, each)),
    )
    .registerFunction(
      "kubernetes.Sets.intersects(list<A>, list<A>): bool",
      (_: Sets, a: readonly unknown[], b: readonly unknown[]) => a.some((each) => has(b, each)),
    );
}

function extreme(
  list: readonly unknown[],
  name: string,
  isBetter: (candidate: unknown, best: unknown) => boolean,
): unknown {
  if (list.length === 0) throw new RangeError(`${name} called on empty list`);
  return list.reduce((best, each) => (isBetter(each, best) ? each : best));
}

/** Strings by their code points, as Go compares UTF-8. */
function isLess(a: unknown, b: unknown): boolean {
  if (typeof a === "string" && typeof b === "string") return Buffer.compare(Buffer.from(a), Buffer.from(b)) < 0;
  if (typeof a === "boolean" && typeof b === "boolean") return !a && b;
  if (isOrdered(a) && isOrdered(b)) return a < b;
  throw new TypeError("values cannot be compared, expected numbers, strings, booleans, timestamps or durations");
}

function isOrdered(value: unknown): value is number | bigint | Date {
  return (
    typeof value === "number" ||
    typeof value === "bigint" ||
    (typeof value === "object" && value !== null && typeof value.valueOf() === "number")
  );
}
