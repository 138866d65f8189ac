// Go's time.ParseDuration syntax, which the format `duration` means in Kubernetes.

const pattern = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$/;

export function isGoDuration(text: string): boolean {
  return pattern.test(text);
}
