// Kubernetes' rules for names (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/).

const subdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedPattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

export const labelValueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export const qualifiedNameRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

/** `path-segment`: anything that can stand in a URL; the names of roles have colons. */
export type NameRule = "subdomain" | "label" | "path-segment";

/** What is wrong with a name; undefined when nothing is. */
export function nameProblem(name: string, rule: NameRule): string | undefined {
  if (rule === "path-segment") return pathSegmentProblem(name);
  const maxLength = rule === "label" ? 63 : 253;
  if (name.length > maxLength) return `must be no more than ${maxLength} bytes`;
  if (rule === "label") return labelPattern.test(name) ? undefined : labelRule;
  return subdomainPattern.test(name) ? undefined : subdomainRule;
}

function pathSegmentProblem(name: string): string | undefined {
  if (name === "." || name === "..") return `may not be '${name}'`;
  const wrong = ["/", "%"].find((part) => name.includes(part));
  return wrong === undefined ? undefined : `may not contain '${wrong}'`;
}

/** `name` or `prefix/name`, as label keys are. */
export function isQualifiedName(text: string): boolean {
  const parts = text.split("/");
  const name = parts.at(-1) ?? "";
  if (parts.length > 2 || name.length > 63 || !qualifiedPattern.test(name)) return false;
  return parts.length === 1 || nameProblem(parts[0] ?? "", "subdomain") === undefined;
}

export function isLabelValue(text: string): boolean {
  return text.length <= 63 && labelValuePattern.test(text);
}

const dns1035Pattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** What is wrong with the name of a kind or a version, which must begin with a letter. */
export function dns1035Problem(name: string): string | undefined {
  if (name.length > 63) return "must be no more than 63 bytes";
  if (dns1035Pattern.test(name)) return undefined;
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}
