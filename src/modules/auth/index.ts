export { ApiKeyBudgets } from './api-keys/api-key-budgets.service.js'
export { ApiKeySpending } from './api-keys/api-key-spending.js'
export { AuthModule } from './auth.module.js'
