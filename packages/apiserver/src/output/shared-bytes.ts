// Bytes that go to many clients as they are and never change: what a transport makes of them may be kept, and made once for all.

const shared = new WeakSet<Uint8Array>();

export function share(bytes: Uint8Array): Uint8Array {
  shared.add(bytes);
  return bytes;
}

export function isShared(bytes: Uint8Array): boolean {
  return shared.has(bytes);
}
