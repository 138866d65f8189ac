// Kubernetes quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

import { InvalidValueError } from "./invalid-value-error.ts";

const pattern = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d+))?$/;
const binaryPower: Record<string, bigint> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };
const decimalExponent: Record<string, number> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
// Enough for any size that exists, and a bound on the work that a hostile exponent can ask for.
const largestExponent = 40;

/**
 * The value as a whole number, for sizes: bytes. Exact; a fraction of a byte is rounded up (away from zero), as Kubernetes
 * does. Throws InvalidValueError for what is no quantity, or too large for an exact JavaScript number.
 */
export function parseQuantity(quantity: string | number): number {
  const match = pattern.exec(String(quantity));
  if (match === null) {
    throw new InvalidValueError(
      `Cannot read quantity "${quantity}": expected a number with an optional unit, such as 4Gi`,
    );
  }
  const [, sign, digits = "", binary, decimal, exponentText] = match;
  const point = digits.indexOf(".");
  const fractionDigits = point === -1 ? 0 : digits.length - point - 1;
  const exponent =
    Number(exponentText ?? 0) + (decimal === undefined ? 0 : (decimalExponent[decimal] ?? 0)) - fractionDigits;
  if (Math.abs(exponent) > largestExponent) throw tooLarge(quantity);

  let numerator = BigInt(digits.replace(".", ""));
  let denominator = 1n;
  if (binary !== undefined) numerator <<= binaryPower[binary] ?? 0n;
  if (exponent >= 0) numerator *= 10n ** BigInt(exponent);
  else denominator = 10n ** BigInt(-exponent);

  const magnitude = Number((numerator + denominator - 1n) / denominator);
  if (!Number.isSafeInteger(magnitude)) throw tooLarge(quantity);
  return sign === "-" && magnitude !== 0 ? -magnitude : magnitude;
}

function tooLarge(quantity: string | number): InvalidValueError {
  return new InvalidValueError(`Cannot read quantity "${quantity}": expected less than ${Number.MAX_SAFE_INTEGER}`);
}

const units = [
  ["Ti", 2 ** 40],
  ["Gi", 2 ** 30],
  ["Mi", 2 ** 20],
  ["Ki", 2 ** 10],
] as const;

/** The shortest exact way to write a number of bytes: `4Gi`, `1500Mi`, `1000`. */
export function formatQuantity(bytes: number): string {
  const unit = units.find(([, size]) => bytes !== 0 && bytes % size === 0);
  return unit === undefined ? String(bytes) : `${bytes / unit[1]}${unit[0]}`;
}

/** A number of bytes for people, still a quantity: `15.3Gi`, with at most one decimal. */
export function roundQuantity(bytes: number): string {
  const unit = units.find(([, size]) => Math.abs(bytes) >= size);
  if (unit === undefined) return String(bytes);
  const value = bytes / unit[1];
  return `${Math.abs(value) < 100 ? Math.round(value * 10) / 10 : Math.round(value)}${unit[0]}`;
}
