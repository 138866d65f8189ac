// Kubernetes quantities (`4Gi`, `500m`): quantity, isQuantity, arithmetic and comparison, exact to the nano unit that Kubernetes keeps.

import type { Environment } from "@marcbachmann/cel-js";

class Quantity {
  /** In billionths. */
  readonly nano: bigint;

  constructor(nano: bigint) {
    this.nano = nano;
  }
}

const one = 1_000_000_000n;
const pattern = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;
const binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

export function registerQuantities(environment: Environment): void {
  const type = "kubernetes.Quantity";
  environment
    .registerType(type, Quantity)
    .registerFunction(`quantity(string): ${type}`, (text: string) => {
      const quantity = parse(text);
      if (quantity === undefined)
        throw new TypeError(
          "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        );
      return quantity;
    })
    .registerFunction("isQuantity(string): bool", (text: string) => parse(text) !== undefined)
    .registerFunction(`${type}.sign(): int`, ({ nano }: Quantity) => sign(nano))
    .registerFunction(`${type}.isInteger(): bool`, isInteger)
    .registerFunction(`${type}.asInteger(): int`, (quantity: Quantity) => {
      if (!isInteger(quantity)) throw new RangeError("cannot convert value to integer");
      return quantity.nano / one;
    })
    .registerFunction(`${type}.asApproximateFloat(): double`, ({ nano }: Quantity) => Number(nano) / Number(one))
    .registerFunction(`${type}.add(${type}): ${type}`, (a: Quantity, b: Quantity) => new Quantity(a.nano + b.nano))
    .registerFunction(`${type}.add(int): ${type}`, (a: Quantity, b: bigint) => new Quantity(a.nano + b * one))
    .registerFunction(`${type}.sub(${type}): ${type}`, (a: Quantity, b: Quantity) => new Quantity(a.nano - b.nano))
    .registerFunction(`${type}.sub(int): ${type}`, (a: Quantity, b: bigint) => new Quantity(a.nano - b * one))
    .registerFunction(`${type}.isLessThan(${type}): bool`, (a: Quantity, b: Quantity) => a.nano < b.nano)
    .registerFunction(`${type}.isGreaterThan(${type}): bool`, (a: Quantity, b: Quantity) => a.nano > b.nano)
    .registerFunction(`${type}.compareTo(${type}): int`, (a: Quantity, b: Quantity) => sign(a.nano - b.nano))
    .registerOperator(`${type} == ${type}`, (a: Quantity, b: Quantity) => a.nano === b.nano);
}

function sign(value: bigint): bigint {
  return value > 0n ? 1n : value < 0n ? -1n : 0n;
}

function isInteger({ nano }: Quantity): boolean {
  const whole = nano / one;
  return nano % one === 0n && BigInt.asIntN(64, whole) === whole;
}

function parse(text: string): Quantity | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, minus, digits = "", binarySuffix, decimalSuffix, exponent] = match;
  const [whole = "", fraction = ""] = digits.split(".");
  const mantissa = BigInt(whole + fraction);
  const power = (decimalExponents[decimalSuffix ?? ""] ?? Number(exponent ?? 0)) - fraction.length + 9;
  const factor = binarySuffix === undefined ? 1n : 1024n ** BigInt(binary.indexOf(binarySuffix) + 1);
  const scaled =
    power >= 0 ? mantissa * factor * 10n ** BigInt(power) : roundedUp(mantissa * factor, 10n ** BigInt(-power));
  return new Quantity(minus === "-" ? -scaled : scaled);
}

/** As Kubernetes rounds what is finer than it keeps: away from zero. */
function roundedUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor;
}
