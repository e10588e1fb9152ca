//! The provider simulator, the load tester and the checker.
