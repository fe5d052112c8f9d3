"""Node.js for the tests of published clients: found or installed, and packages of npm fetched once."""
