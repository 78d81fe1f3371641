export * as health from 'grpc-health-check';
