-- Every row that this returns is something wrong.
SELECT 'a customer without an address', id
FROM customers
WHERE id NOT IN (SELECT customer FROM addresses)
UNION ALL
SELECT 'an order that costs nothing', id
FROM orders
WHERE cents <= 0;
