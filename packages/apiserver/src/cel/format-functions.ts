// format.dns1123Label() and its kin: named formats that tell what is wrong with a string.

import { Optional, type Environment } from "@marcbachmann/cel-js";
import {
  dns1035Problem,
  isLabelValue,
  isQualifiedName,
  labelValueRule,
  nameProblem,
  qualifiedNameRule,
} from "../meta/names.ts";

class Format {
  readonly problem: (text: string) => string | undefined;

  constructor(problem: (text: string) => string | undefined) {
    this.problem = problem;
  }
}

/** The receiver of `format.uuid()`. */
class Formats {
  readonly name = "format";
}

const said = (isValid: (text: string) => boolean, rule: string) => (text: string) => (isValid(text) ? undefined : rule);

const formats: Readonly<Record<string, Format>> = {
  dns1123Label: new Format((text) => nameProblem(text, "label")),
  dns1123Subdomain: new Format((text) => nameProblem(text, "subdomain")),
  dns1035Label: new Format(dns1035Problem),
  qualifiedName: new Format(said(isQualifiedName, qualifiedNameRule)),
  dns1123LabelPrefix: new Format((text) => nameProblem(withoutDash(text), "label")),
  dns1123SubdomainPrefix: new Format((text) => nameProblem(withoutDash(text), "subdomain")),
  dns1035LabelPrefix: new Format((text) => dns1035Problem(withoutDash(text))),
  labelValue: new Format(said(isLabelValue, labelValueRule)),
  uri: new Format(said((text) => URL.canParse(text), "must be a valid URI")),
  uuid: new Format(
    said((text) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text), "does not match the UUID format"),
  ),
  byte: new Format(
    said((text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text), "invalid base64"),
  ),
  date: new Format(said((text) => isDate(text), "invalid date")),
  datetime: new Format(
    said(
      (text) =>
        /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text) && isDate(text.slice(0, 10)),
      "invalid datetime",
    ),
  ),
};

export function registerFormats(environment: Environment): void {
  environment
    .registerType("kubernetes.NamedFormat", Format)
    .registerType("kubernetes.Formats", Formats)
    .registerConstant("format", "kubernetes.Formats", new Formats())
    .registerFunction(
      "kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>",
      (_: Formats, name: string) => (Object.hasOwn(formats, name) ? Optional.of(formats[name]) : Optional.none()),
    )
    .registerFunction(
      "kubernetes.NamedFormat.validate(string): optional<list<string>>",
      ({ problem }: Format, text: string) => {
        const found = problem(text);
        return found === undefined ? Optional.none() : Optional.of([found]);
      },
    );
  for (const [name, format] of Object.entries(formats))
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => format);
}

/** Names that are made from a prefix get more after it. */
function withoutDash(text: string): string {
  return text.replace(/-$/, "a");
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
