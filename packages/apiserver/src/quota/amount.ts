// Kubernetes quantities that can be added up: exact, in thousandths, and written back in the unit they came in
// (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).

export interface Amount {
  /** Thousandths; a smaller fraction is rounded up. */
  readonly milli: bigint;
  readonly format: "decimal" | "binary";
}

const pattern = /^([+-]?)(\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;
const binaryPower: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const decimalExponent: Readonly<Record<string, number>> = {
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
const maxExponent = 60;

export const zero: Amount = { milli: 0n, format: "decimal" };

export function countOf(count: number): Amount {
  return { milli: BigInt(count) * 1000n, format: "decimal" };
}

/** Undefined for what is no quantity. */
export function parseAmount(value: unknown): Amount | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const match = pattern.exec(String(value));
  if (match === null) return undefined;
  const [, sign, digits = "", binary, decimal, exponentText] = match;
  const point = digits.indexOf(".");
  const fractionDigits = point === -1 ? 0 : digits.length - point - 1;
  // Thousandths, so three more.
  const exponent = Number(exponentText ?? 0) + (decimalExponent[decimal ?? ""] ?? 0) - fractionDigits + 3;
  if (Math.abs(exponent) > maxExponent) return undefined;
  let numerator = BigInt(digits.replace(".", "")) << (binaryPower[binary ?? ""] ?? 0n);
  let denominator = 1n;
  if (exponent >= 0) numerator *= 10n ** BigInt(exponent);
  else denominator = 10n ** BigInt(-exponent);
  const milli = (numerator + denominator - 1n) / denominator;
  return { milli: sign === "-" ? -milli : milli, format: binary === undefined ? "decimal" : "binary" };
}

export function add(a: Amount, b: Amount): Amount {
  return { milli: a.milli + b.milli, format: a.milli === 0n ? b.format : a.format };
}

export function subtract(a: Amount, b: Amount): Amount {
  return { milli: a.milli - b.milli, format: a.format };
}

/** As short as it can be written exactly: `4Gi`, `1500m`, `3k`. */
export function formatAmount({ milli, format }: Amount): string {
  if (milli % 1000n !== 0n) return `${milli}m`;
  const whole = milli / 1000n;
  if (whole === 0n) return "0";
  const steps = format === "binary" ? binarySteps : decimalSteps;
  const step = steps.find(([, size]) => whole % size === 0n);
  return step === undefined ? String(whole) : `${whole / step[1]}${step[0]}`;
}

const binarySteps = Object.entries(binaryPower)
  .toReversed()
  .map(([unit, power]) => [unit, 1n << power] as const);
const decimalSteps = Object.entries(decimalExponent)
  .filter(([, exponent]) => exponent > 0)
  .toReversed()
  .map(([unit, exponent]) => [unit, 10n ** BigInt(exponent)] as const);
