// Which of two versions of an object is the newer. API servers promise that versions of one kind are decimal numbers that grow:
// https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/5504-comparable-resource-version

/** Below 0: `a` is older. 0: the same. Numbers of any length. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
