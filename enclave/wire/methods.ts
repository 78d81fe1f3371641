/** The methods of the link: full gRPC paths towards the enclave, `store/…` words towards the host. */
export const METHODS = {
  sign: '/sealwright.v1.SigningService/Sign',
  getKey: '/sealwright.v1.KeyService/GetKey',
  listKeys: '/sealwright.v1.KeyService/ListKeys',
  getStatus: '/sealwright.v1.StatusService/GetStatus',
  commitGenesis: '/sealwright.v1.GenesisService/CommitGenesis',
  getEvidence: '/sealwright.v1.AttestationService/GetEvidence',
} as const satisfies Record<string, string>;

export const STORE_METHODS = {
  get: 'store/get',
  put: 'store/put',
  list: 'store/list',
} as const satisfies Record<string, string>;

/** What the host says on its own account. */
export const HOST_METHODS = {
  /** No more calls will come: the enclave writes its log's head while there still is a store. */
  drained: 'host/drained',
} as const satisfies Record<string, string>;

/** The host's copy of the log. */
export const LOG_METHODS = {
  append: 'log/append',
  state: 'log/state',
  read: 'log/read',
  checkpoint: 'log/checkpoint',
} as const satisfies Record<string, string>;
