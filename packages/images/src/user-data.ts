// Finds mistakes in cloud-init user-data before a VM is started with it. cloud-init itself says what it did not like only in a
// log inside the guest, and skips the part or all of it.
// https://cloudinit.readthedocs.io/en/latest/explanation/format.html

import { gunzipSync } from "node:zlib";
import { checkCloudConfig } from "./cloud-config.ts";

export interface UserDataProblem {
  /** `users[0].name`; empty for the whole. */
  readonly path: string;
  /** Counted from 1. */
  readonly line?: number;
  /** What was found and what is wanted. */
  readonly message: string;
}

/** What else cloud-init recognises, by how it starts. Longer ones first, as one is the start of another. */
const otherHeaders = [
  "#cloud-config-archive",
  "#cloud-config-jsonp",
  "#cloud-boothook",
  "#part-handler",
  "#upstart-job",
  "#include-once",
  "#include",
  "#!",
];

const expectedHeader = "expected #cloud-config, #!, #include, ## template: jinja or a MIME message";

/** An empty array means: nothing wrong was found. Bytes may be compressed with gzip, as cloud-init takes them. */
export function checkUserData(userData: string | Uint8Array): readonly UserDataProblem[] {
  if (typeof userData !== "string") return checkBytes(userData);
  const start = userData.trimStart().toLowerCase();
  if (start === "") return [];
  if (userData.startsWith("\u001f\ufffd")) {
    return [{ path: "", message: "gzip data was read as text, which destroys it; expected text or bytes" }];
  }
  if (userData.startsWith("\u001f\u008b")) return checkBytes(Buffer.from(userData, "latin1"));
  if (start.startsWith("## template: jinja")) return checkTemplate(userData);
  if (otherHeaders.some((header) => start.startsWith(header))) return [];
  if (start.startsWith("#cloud-config")) return checkCloudConfig(userData);
  if (/^(mime-version|content-type):/.test(start)) return checkMime(userData);
  return [{ path: "", line: 1, message: headerMessage(userData) }];
}

function checkBytes(bytes: Uint8Array): readonly UserDataProblem[] {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return checkUserData(new TextDecoder().decode(bytes));
  try {
    return checkUserData(gunzipSync(bytes, { maxOutputLength: 16 << 20 }).toString("utf8"));
  } catch (error) {
    return [{ path: "", message: `broken gzip data: ${error instanceof Error ? error.message : String(error)}` }];
  }
}

/** What a template becomes is known in the guest only; without any expression it becomes itself. */
function checkTemplate(text: string): readonly UserDataProblem[] {
  const rest = text.trimStart().replace(/^.*\n?/, "");
  const isTemplate = /\{\{|\{%/.test(rest);
  if (!isTemplate) return shiftLines(checkUserData(rest), 1);
  return rest.trimStart().startsWith("#")
    ? []
    : [
        {
          path: "",
          line: 2,
          message: `after ## template: jinja the next line is ${quote(firstLine(rest))}, ${expectedHeader}`,
        },
      ];
}

function shiftLines(problems: readonly UserDataProblem[], by: number): readonly UserDataProblem[] {
  return problems.map((problem) => (problem.line === undefined ? problem : { ...problem, line: problem.line + by }));
}

function checkMime(text: string): readonly UserDataProblem[] {
  const [head] = text.split(/\r?\n\r?\n/, 1);
  const isMultipart = /^content-type:\s*multipart\//im.test(head ?? "");
  if (!isMultipart) return [];
  const boundary = /boundary="?([^"\s;]+)"?/i.exec(head ?? "")?.[1];
  if (boundary === undefined)
    return [{ path: "", line: 1, message: "multi-part MIME message has no boundary in its header" }];
  return text.includes(`--${boundary}`)
    ? []
    : [{ path: "", line: 1, message: `multi-part MIME message has no part: no line is --${boundary}` }];
}

function headerMessage(text: string): string {
  const found = `first line is ${quote(firstLine(text))}, ${expectedHeader}; cloud-init would ignore all of it`;
  if (/^[A-Za-z0-9+/=\s]{24,}$/.test(text)) return `${found}. It looks like base64: give it decoded`;
  if (/^[\w-]+\s*:/.test(text.trimStart())) return `${found}. Is #cloud-config missing as the first line?`;
  return found;
}

function firstLine(text: string): string {
  return text.trimStart().split("\n", 1)[0] ?? "";
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
