// Label selectors, as far as a set needs them: whether its template's labels match, and how kubectl writes them.

import type { VMSetSpec } from "@vivarium/api";

type LabelSelector = VMSetSpec["selector"];
type Labels = Readonly<Record<string, string>>;

/** Why labels do not match, or undefined when they do. An empty selector selects nothing that could be told apart. */
export function whyNotSelected(selector: LabelSelector, labels: Labels): string | undefined {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return "spec.selector is empty";
  for (const [key, value] of Object.entries(matchLabels)) {
    if (labels[key] !== value) return `label ${key} is ${quoted(labels[key])}, spec.selector wants "${value}"`;
  }
  for (const { key, operator, values = [] } of matchExpressions) {
    const found = labels[key];
    const isIn = found !== undefined && values.includes(found);
    const holds = { In: isIn, NotIn: !isIn, Exists: found !== undefined, DoesNotExist: found === undefined }[operator];
    if (!holds) return `label ${key} is ${quoted(found)}, spec.selector wants ${formatOne(key, operator, values)}`;
  }
  return undefined;
}

/** As `kubectl get -l` takes it. */
export function formatSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => formatOne(key, operator, values)),
  ].join(",");
}

function formatOne(key: string, operator: string, values: readonly string[]): string {
  switch (operator) {
    case "In":
      return `${key} in (${values.join(",")})`;
    case "NotIn":
      return `${key} notin (${values.join(",")})`;
    case "DoesNotExist":
      return `!${key}`;
    default:
      return key;
  }
}

function quoted(value: string | undefined): string {
  return value === undefined ? "absent" : `"${value}"`;
}
