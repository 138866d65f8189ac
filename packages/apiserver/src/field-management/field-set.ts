// Sets of fields of an object, in the form that managedFields have on the wire (FieldsV1), so that they need no decoding: `f:name` is a
// field, `k:{…}` an item of a list by its keys, `v:…` an item of a set, and what has fields below it is itself in the set when it holds `.`
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).

export interface FieldSet {
  readonly [element: string]: FieldSet;
}

const self = ".";

/** The set of nothing, as a whole set; as what lies below a path element it means the element alone. */
export const nothing: FieldSet = {};

export function isEmpty(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** What lies below an element that is in the set itself, to be filled. */
export function withSelf(): Record<string, FieldSet> {
  return { [self]: nothing };
}

/** Whether an element is in the set itself, by what lies below it. */
export function isMember(below: FieldSet): boolean {
  return self in below || isEmpty(below);
}

/** What lies below an element that is in the set or not; undefined when that is nothing at all. */
export function below(isIn: boolean, children: FieldSet | undefined): FieldSet | undefined {
  if (children === undefined || isEmpty(children)) return isIn ? nothing : undefined;
  return isIn ? { [self]: nothing, ...children } : children;
}

/** The elements below one, or of a whole set. */
export function elementsOf(set: FieldSet): [element: string, below: FieldSet][] {
  return Object.entries(set).filter(([element]) => element !== self);
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const out: Record<string, FieldSet> = { ...a };
  for (const [element, right] of elementsOf(b)) {
    const left = out[element];
    out[element] =
      left === undefined
        ? right
        : (below(isMember(left) || isMember(right), union(childrenOf(left), childrenOf(right))) ?? nothing);
  }
  return out;
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return filter(a, (element, left) => {
    const right = b[element];
    if (right === undefined) return undefined;
    return below(isMember(left) && isMember(right), intersection(childrenOf(left), childrenOf(right)));
  });
}

/** Each element counts for itself: a field of `a` stays when only the struct that it is in is in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return filter(a, (element, left) => {
    const right = b[element];
    if (right === undefined) return left;
    return below(isMember(left) && !isMember(right), difference(childrenOf(left), childrenOf(right)));
  });
}

function filter(
  set: FieldSet,
  keep: (element: string, below: FieldSet) => FieldSet | undefined,
): Record<string, FieldSet> {
  const out: Record<string, FieldSet> = {};
  for (const [element, below] of elementsOf(set)) {
    const kept = keep(element, below);
    if (kept !== undefined) out[element] = kept;
  }
  return out;
}

function childrenOf(below: FieldSet): FieldSet {
  if (!(self in below)) return below;
  const { [self]: _, ...children } = below;
  return children;
}

/** Every member, as its elements from the root on, in Kubernetes' order. */
export function* pathsOf(set: FieldSet, prefix: readonly string[] = []): Generator<readonly string[]> {
  const elements = elementsOf(set).toSorted(([a], [b]) => compareElements(a, b));
  for (const [element, below] of elements) if (isMember(below)) yield [...prefix, element];
  for (const [element, below] of elements) yield* pathsOf(below, [...prefix, element]);
}

const order = "fkvi";

function compareElements(a: string, b: string): number {
  return order.indexOf(a.charAt(0)) - order.indexOf(b.charAt(0)) || (a < b ? -1 : 1);
}
