-- Who buys.
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    address TEXT NOT NULL
);
INSERT INTO customers VALUES (1, 'Ada', 'ada@example.com'), (2, 'Ben', 'ben@example.com');
