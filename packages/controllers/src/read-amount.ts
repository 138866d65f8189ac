// How much of something a spec asks for. What is no number and what is nothing or less are told in the same way everywhere. Pure.

import { InvalidValueError, parseQuantity } from "@vivarium/api";

export type Amount = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly message: string };

export function readAmount(
  quantity: string | number,
  { field, mayBeNothing = false }: { readonly field: string; readonly mayBeNothing?: boolean },
): Amount {
  try {
    const value = parseQuantity(quantity);
    if (value > 0 || (value === 0 && mayBeNothing)) return { ok: true, value };
    const expected = mayBeNothing ? "nothing or more" : "more than nothing";
    return { ok: false, message: `${field} is "${quantity}", expected ${expected}` };
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return { ok: false, message: `${field}: ${error.message}` };
  }
}
