export * as grpc from '@grpc/grpc-js';
