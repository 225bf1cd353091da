CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id),
    cents INTEGER NOT NULL
);
INSERT INTO orders VALUES (10, 1, 1999), (11, 2, 500);
